"""How the languages of the backoffice write days and moments, for Django's `date` filter and `date_format`."""
