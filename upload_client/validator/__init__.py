"""The receiving side: follows the client's log and judges what arrived."""
