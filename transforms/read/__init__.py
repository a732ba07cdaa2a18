"""Reading: headers without pixels, whole instances with bounds."""
