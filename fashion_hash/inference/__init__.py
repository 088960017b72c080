"""The trained networks in plain numpy, as a bundle carries them; equal to their torch originals."""
