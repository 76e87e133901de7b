//! Our parser against the official ones; everything is in the test program beside this file.
