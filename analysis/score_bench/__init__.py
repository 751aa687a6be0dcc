"""Which score of a token tells that it states a fact which only the picture shows."""
