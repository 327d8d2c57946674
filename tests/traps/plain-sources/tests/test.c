#error not a part of it
