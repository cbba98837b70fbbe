#include "tests/support/libdifference.h"

#include "base/half.h"

enum { N = 4 * 32 };

bool difference_is_right(Kernel *k, float times, float more, Error *err)
{
    static uint16_t a[N], b[N], c[N], d[N];
    for (int i = 0; i < N; i++) {
        b[i] = half_from_float((float)i);
        a[i] = half_from_float((float)(2 * i + 1));
        c[i] = d[i] = 0;
    }
    PortData data[4];
    data[kernel_port(k, PORT_INPUT, "a")] = (PortData){a, sizeof a};
    data[kernel_port(k, PORT_INPUT, "b")] = (PortData){b, sizeof b};
    data[kernel_port(k, PORT_OUTPUT, "c")] = (PortData){c, sizeof c};
    data[kernel_port(k, PORT_OUTPUT, "d")] = (PortData){d, sizeof d};
    bool right = device_run(k, data, 4, NULL, err);
    for (int i = 0; i < N; i++) {
        float difference = (float)(i + 1);
        right &= half_to_float(d[i]) == difference && half_to_float(c[i]) == times * difference + more;
    }
    return right;
}
