/* SPDX-License-Identifier: MIT */
/* Replays files and directories through a fuzz target: any compiler, any day. With
 * -DREPX_LIBFUZZER (clang -fsanitize=fuzzer) this main is left out. */
#ifndef REPX_LIBFUZZER

#    include <dirent.h>
#    include <fcntl.h>
#    include <stdint.h>
#    include <stdio.h>
#    include <sys/stat.h>

#    include <kit/alloc.h>
#    include <kit/file.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    struct repx_buf b = {0};
    struct repx_err err = {0};

    if (repx_read_file(AT_FDCWD, path, 64u << 20, &b, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    (void)LLVMFuzzerTestOneInput((const uint8_t *)repx_buf_text(&b), b.len);
    repx_buf_free(&b);
    return 1;
}

static int replay_all(const char *path)
{
    struct stat st;
    DIR *d = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    int n = 0;

    if (!d)
        return replay(path);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        REPX_AUTO_FREE char *one = repx_format("%s/%s", path, e->d_name);
        n += replay(one);
    }
    (void)closedir(d);
    return n;
}

int main(int argc, char **argv)
{
    int n = 0;

    for (int i = 1; i < argc; i++)
        n += replay_all(argv[i]);
    printf("%d inputs replayed\n", n);
    return n > 0 ? 0 : 1;
}

#endif
