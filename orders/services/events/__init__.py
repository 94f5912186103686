"""What others hear of orders: the feed of events, and whom it is delivered to."""
