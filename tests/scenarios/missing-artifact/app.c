/* Builds, but not everything the recipe promises. */
int main(void) {
    return 0;
}
