"""How often the rules decide wrongly, where the truth is known: synthetic models and tables through the real code."""
