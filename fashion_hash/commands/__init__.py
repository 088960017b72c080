"""The sub-commands of `fashion-hash`; tools/*.py are thin doors to them."""
