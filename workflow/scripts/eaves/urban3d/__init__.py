"""The USSOCOM Urban 3D Challenge: its data set, the download, and its text format for buildings."""
