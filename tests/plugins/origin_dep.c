/* SPDX-License-Identifier: MIT */
/* A library that a plugin brings along, found by $ORIGIN. */
int origin_answer(void);
int origin_answer(void)
{
    return 42;
}
