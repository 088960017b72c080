"""`recipe: auto`: the settings that a configuration leaves out are chosen on the validation split."""
