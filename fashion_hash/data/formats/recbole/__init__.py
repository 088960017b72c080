"""RecBole's atomic files: any data set written for RecBole, and read back."""
