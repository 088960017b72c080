"""Bodies and replies, as the OpenAPI document describes them."""
