"""Reports about a delivery: its state as an observer sees it, the state CSV, the HTML page."""
