"""What an observer sees of a delivery, and the files that tell it: state CSV, HTML page."""
