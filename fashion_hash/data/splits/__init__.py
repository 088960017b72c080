"""How a data set is divided: splits for data that has none, as files too, and users hidden from training."""
