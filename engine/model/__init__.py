"""What a project is: its spec, its names, the settings it is made under. No network, disk or clock."""
