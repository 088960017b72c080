"""Where training starts from instead of random numbers: spectra of clicks or features, or bits taught by EASE."""
