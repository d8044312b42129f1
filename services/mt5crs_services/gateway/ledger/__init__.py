"""The account's books: orders, deals and positions, on the disk before anybody hears of them."""
