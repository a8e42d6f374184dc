"""What real endpoints do otherwise than the protocol says, as switches of the test server."""
