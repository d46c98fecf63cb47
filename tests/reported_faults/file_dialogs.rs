//! Opening and saving where the system has no file dialog.
