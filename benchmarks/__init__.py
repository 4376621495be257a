"""One question a file, against named peers in the same run; JSON results, from which the README's table is made."""
