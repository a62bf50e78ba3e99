"""What InvISP is compared with (paper, section 5.2): each rival a method with a forward and an inverse."""
