"""The menu of people with an account; a new family of pages adds its first page here."""

MENU: tuple[tuple[str, str], ...] = (
    ("/label", "common.label"),
    ("/score", "common.score"),
    ("/history", "history.title"),
    ("/review", "review.title"),
    ("/interview", "interview.menu"),
    ("/account", "common.account"),
)
"""Path and key of the text, in the order of the menu."""
ADMIN_MENU: tuple[tuple[str, str], ...] = (("/admin", "manage.title"),)
"""What admins see beside it."""
