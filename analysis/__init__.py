"""Why a model fails and what the paper claims: error classes, visual dependency, tables, the report."""
