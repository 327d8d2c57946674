#if !defined WANTED
#error "WANTED must be defined"
#endif
#warning "this is old"
int x = WANTED;
