//! Our parser against the official ones; the code is in the test program beside this file.
