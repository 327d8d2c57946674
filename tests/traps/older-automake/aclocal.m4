dnl generated automatically by aclocal 1.14
