"""The interactive view: keys, reports and outcomes in, lines and wanted actions out."""
