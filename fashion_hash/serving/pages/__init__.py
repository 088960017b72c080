"""Pages for people: a stylist's desk over the same bundles, without JavaScript that a page needs to be read."""
