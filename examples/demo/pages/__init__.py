"""The HTML of the demo, a file for each matter. Whatever a visitor has typed is escaped by Markup.format."""
