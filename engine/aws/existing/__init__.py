"""What a project has at AWS although no state knows it: one way of looking for each type of resource.

`table.TABLE` has a row for every type that the modules of a project's workspace use.
"""
