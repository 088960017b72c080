"""The trained networks of a bundle in plain numpy; they give the same results as their torch originals."""
