#include <string>

struct Plain {};

template <typename T> int size_of(const T& value)
{
    return value.size();
}

template <typename T> int twice(const T& value) { return 2 * size_of(value); }

int main()
{
    std::string text = 5;
    return twice(Plain{}) + undeclared;
}
