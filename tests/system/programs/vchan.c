/*
 * The two ends of a vchan (libxenvchan over gntalloc and gntdev), for two guests.
 *
 *   vchan serve PEER PATH            "serving"; sends back all that comes, and ends with the other end
 *   vchan send PEER PATH MESSAGES    sends messages and compares what comes back: "same N bytes"
 *
 * PEER is the number of the other domain, PATH the node of the store below which the server names its grants.
 * Most messages are longer than the rings, so that both ends have to wait for room.
 */
#include <libxenvchan.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING    16384
#define LARGEST 60000

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Takes what has come of "size" bytes; 0 at the end of the channel. */
static size_t receive(struct libxenvchan *channel, void *data, size_t size)
{
    int got = libxenvchan_read(channel, data, size);

    if (got < 0) {
        if (!libxenvchan_is_open(channel))
            return 0;
        die("read");
    }
    return (size_t)got;
}

static void serve(struct libxenvchan *channel)
{
    static char data[4096];
    size_t got;

    channel->blocking = 1;
    while ((got = receive(channel, data, sizeof(data))) != 0) {
        size_t done = 0;

        while (done < got) {
            int put = libxenvchan_write(channel, data + done, got - done);

            if (put < 0)
                return;
            done += (size_t)put;
        }
    }
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* One message there and back: sends and receives as there is room and data. */
static void message(struct libxenvchan *channel, uint32_t *state, size_t size)
{
    static unsigned char out[LARGEST], in[LARGEST];
    size_t sent = 0, got = 0;

    for (size_t i = 0; i < size; i++)
        out[i] = (unsigned char)next(state);
    while (got < size) {
        int ready = libxenvchan_data_ready(channel), space = libxenvchan_buffer_space(channel), n;

        if (ready <= 0 && (space <= 0 || sent == size)) {
            if (libxenvchan_wait(channel) < 0)
                die("wait");
            continue;
        }
        if (space > 0 && sent < size) {
            n = libxenvchan_write(channel, out + sent, size - sent);
            if (n < 0)
                die("write");
            sent += (size_t)n;
        }
        if (ready > 0) {
            n = libxenvchan_read(channel, in + got, size - got);
            if (n < 0)
                die("read");
            got += (size_t)n;
        }
    }
    if (memcmp(out, in, size) != 0) {
        printf("other data came back\n");
        exit(1);
    }
}

static unsigned long send_all(struct libxenvchan *channel, int messages)
{
    unsigned long total = 0;
    uint32_t state = 1;

    for (int i = 0; i < messages; i++) {
        size_t size = 1 + next(&state) % LARGEST;

        message(channel, &state, size);
        total += size;
    }
    return total;
}

int main(int argc, char **argv)
{
    struct libxenvchan *channel;

    if (argc == 4 && strcmp(argv[1], "serve") == 0) {
        channel = libxenvchan_server_init(NULL, atoi(argv[2]), argv[3], RING, RING);
        if (!channel)
            die("server");
        puts("serving");
        fflush(stdout);
        serve(channel);
    } else if (argc == 5 && strcmp(argv[1], "send") == 0) {
        channel = libxenvchan_client_init(NULL, atoi(argv[2]), argv[3]);
        if (!channel)
            die("client");
        printf("same %lu bytes\n", send_all(channel, atoi(argv[4])));
    } else {
        return 2;
    }
    libxenvchan_close(channel);
    return 0;
}
