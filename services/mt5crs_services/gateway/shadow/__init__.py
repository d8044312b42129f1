"""What another broker would have made of each order, written beside it; decides nothing."""
