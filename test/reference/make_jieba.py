#!/usr/bin/env python3
"""What rjieba cuts, as a fixture: texts out of jieba's words, of pieces of them, and of odd characters.

Writes jieba.json beside this script: [[word, ...], ...], every list the cut of the text that its words make.
Made with rjieba 0.2.2 (precise mode, no hidden Markov model) and the words in ../../src/import/jieba:
    python make_jieba.py
"""
import json
import random
import struct
from pathlib import Path

import rjieba

HERE = Path(__file__).resolve().parent
ODD = list("的一是不了人我在有他这为之大来以个中上们ABCabc012 .-+#&%_,，。！\t é中国上海大学生活动㐀\U00020000\U0002f800"
           "\U0002ebf0、·αγ　\x00\U0001f44d가かカ０Ａ々〇") + ["\r\n", "C++", "3.5%", "T恤", "AA制", "4S店"]
SENTENCES = [
    "今天天气非常好。", "北京大学生活动中心", "研究生命的起源", "南京市长江大桥", "结婚的和尚未结婚的", "他从马上下来。",
    "我们中出了一个叛徒", "HuggingFace是一家公司，基于Paris和New York。", "50%的人用C++和C#，email是a_b-c@d.com。",
    "乒乓球拍卖完了", "欢迎新老师生前来就餐", "工信处女干事每月经过下属科室都要亲口交代24口交换机等技术性器件的安装工作",
    "　全角　空格　", "2024年11月20日", "一二三四五六七八九十" * 8, "a" * 300, "的" * 100,
]


def words():
    """Of words.bin (make_words.py describes it)."""
    data = (HERE / "../../src/import/jieba/words.bin").read_bytes()
    n, n_weights = struct.unpack_from("<II", data, 8)
    at, before, found = 16 + 8 * n_weights, "", []
    for _ in range(n):
        same, rest = data[at] >> 4, (data[at] & 15) + 1
        before = before[:same] + data[at + 1:at + 1 + 2 * rest].decode("utf-16-le")
        at += 1 + 2 * rest
        while data[at] & 128:
            at += 1
        at += 1
        found.append(before)
    assert at == len(data)
    return found


def main():
    draw, known, texts = random.Random(7), words(), list(SENTENCES)
    for _ in range(700):
        texts.append("".join(draw.choice(ODD) for _ in range(draw.randint(1, 40))))
        texts.append("".join(draw.choice(known) if draw.random() < 0.8 else draw.choice(ODD) for _ in range(draw.randint(1, 12))))
        mixed = list("".join(draw.choice(known) for _ in range(draw.randint(1, 10))))
        for _ in range(len(mixed) // 4):
            mixed[draw.randrange(len(mixed))] = draw.choice(draw.choice(known))
        texts.append("".join(mixed))
    (HERE / "jieba.json").write_text(json.dumps([rjieba.cut(text, False) for text in texts], ensure_ascii=False,
                                                separators=(",", ":")) + "\n", encoding="utf-8")
    print(len(texts), "texts")


if __name__ == "__main__":
    main()
