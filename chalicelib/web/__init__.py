"""What a browser sees: templates and one style sheet, no script."""
