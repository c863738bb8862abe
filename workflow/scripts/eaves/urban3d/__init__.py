"""What belongs to the USSOCOM Urban 3D Challenge: its text format, its data set, and the download."""
