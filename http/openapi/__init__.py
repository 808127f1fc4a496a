"""The API described: an OpenAPI document, made from the structs that the API is, and a page of it."""
