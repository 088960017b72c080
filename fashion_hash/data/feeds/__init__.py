"""Product feeds that shops export, as tables of items: Google Merchant (TSV, XML) and Shopify (CSV)."""
