"""`tuidan orders`: files of exported orders, and what is done with them."""
