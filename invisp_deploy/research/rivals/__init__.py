"""What InvISP is compared with."""
