"""What programs and pages change: plain functions, called by whichever process makes the changes."""
