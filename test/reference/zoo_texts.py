"""The texts of make_tokenizer_zoo.py, the pairs of them, and what its small tokenizers learn from."""
from pathlib import Path

SENTENCES = Path(__file__).resolve().parent.parent / "data" / "sentences.txt"

# Indices are part of the fixtures: new texts go to the end.
TEXTS = [
    # English
    "", " ", "a", "Hello, world!", "The quick brown fox jumps over the lazy dog.",
    "I can't do that, won't I? It's 5 o'clock; they're here, we've come, she'll go and he'd stay: I'm sure.",
    "HELLO WORLD", "  leading and trailing  ", "She had a little thin face and a little thin body, thin light hair and a sour expression.",
    "do not . Ca n't ' quoted ' I 'm he 's we 've you 're ! ? ,", "unaffable, undoing & re-established",
    "Mr. Smith (b. 1950) said: \"No.\" -- then left...", "I'LL IT'S 'Tis 'twas rock'n'roll", "the the the the",
    # whitespace
    "   \t\n ", "tabs\tand\nnewlines\r\nand\rreturns", "two  spaces   three    four", " x", "x ", "\n\n\nx\n\n\n",
    "one\u00a0two\u2003three\u3000four\u2028five\u2029six\u0085seven\u1680eight", "zero\u200bwidth\u200djoiner\ufeffbom\u00adsoft\u2060",
    "a  \n  b", "word \u00a0 word", "trailing newline\n", "  two in front",
    # Chinese and its neighbours
    "\u4eca\u5929\u5929\u6c14\u975e\u5e38\u597d\u3002", "\u4f60\u597d, world \u4e16\u754c\uff01\u3002", "\u6211\u5728\u5317\u4eac\u5927\u5b66\u5b66\u4e60\u8ba1\u7b97\u673a\u79d1\u5b66\uff0c\u5df2\u7ecf\u4e09\u5e74\u4e86\u3002",
    "\u8fd9\u662f\u4e00\u4e2a\u6d4b\u8bd5\uff1a\u6570\u636e\u5e93\u4e2d\u7684\u63a8\u7406\uff08inference\uff09\u5feb\u4e0d\u5feb\uff1f", "\u5357\u4eac\u5e02\u957f\u6c5f\u5927\u6865", "\u7814\u7a76\u751f\u547d\u8d77\u6e90 2024\u5e743\u67085\u65e5 100\u5143",
    "\u6f22\u5b57\u304b\u306a\u4ea4\u3058\u308a\u6587\u30ab\u30bf\u30ab\u30ca\u3067\u3059", "\u3400\U00020000\U0002a700\U0002b740\U0002b820\uf900\U0002f800", "\u7e41\u9ad4\u4e2d\u6587 \u7b80\u4f53\u4e2d\u6587 mixed\u6df7\u5408text\u6587\u5b57",
    "\u54c8\u54c8\u54c8\u54c8\u54c8\u54c8 \u55ef\u2026\u2026\u300c\u5f15\u53f7\u300d\u300a\u4e66\u300b", "\uff28\uff45\uff4c\uff4c\uff4f\u3000\uff11\uff12\uff13\uff0c\uff21\uff22",
    # code and numbers
    "def f(x):\n    return x ** 2  # square\n", "SELECT id, name FROM t WHERE a<=10 AND b!='x';", "for (int i=0;i<n;++i){ sum += a[i]; }\t// loop",
    "http://example.com/path?query=1&b=2", "snake_case camelCase PascalCase kebab-case", "a_b-c/d\\e@f.com #hash", "{\"key\": [1, 2.5, null], \"x\": \"\\n\"}",
    "1234567890 12 3 4.5 6,789", "3.14159 1e-5 0xFF 50% $100 1/2", "a1b2c3 4d 5e6", "\u0661\u0662\u0663 \u0967\u0968 \u00b2\u00b3 \u2167 \u00bd \u2460", "$100 + 20% = 120\u20ac <tag> a|b ~x^y `code`", "C++ c++ C# c#. .NET",
    # scripts and accents
    "caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00c5ngstr\u00f6m", "cafe\u0301 nai\u0308ve re\u0301sume\u0301", "e\u0301\u0327\u0323x e\u0323\u0327\u0301x \u1ec7", "\u0301 alone \u0301\u0301",
    "\u0130stanbul I\u0307 \u0131\u0049 \u0069", "Stra\u00dfe STRASSE \u1e9e", "\u039f\u0394\u039f\u03a3 \u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3 \u03c2 \u03c3\u03a3", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0401\u043b\u043a\u0430 \u0419",
    "\ud55c\uad6d\uc5b4 \uac00\uac01\ud7a3", "\u1112\u1161\u11ab\u1100\u116e\u11a8", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0e19\u0e49\u0e33", "\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u094d\u0937", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627",
    "\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd mixed \u05e9\u05dc\u05d5\u05dd", "Vi\u1ec7t Nam \u0110\u00e0 N\u1eb5ng \u0141\u00f3d\u017a", "\u00bd \u00b2 \u2168 \u2460 \ufb01 \ufb03 \u2122 \u212b \u2126 \u01c4\u01c5 \u0149 \u0390",
    "\u0344 \u0958 \ufb4b \u1fef \u1e9b\u0323 \u03d3\u0301", "\u1100\u1161 \uac00\u11a8 \u0b47\u0b56 \u09c7\u09be",
    # emoji, controls, the unassigned
    "\U0001f600 smile \U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family \U0001f1e9\U0001f1ea", "1\ufe0f\u20e3 keycap \u2764\ufe0f", "control\x01\x07\x1b\x1f\x7f\x80\x9fend", "ab\u0000cd",
    "bad \ufffd replaced", "private \ue000\uf8ff\U000f0000 unassigned \u0378\U0001fbff end", "\u202ertl override\u202c \u2066isolates\u2069", "\U0001d400\U0001d41b\U0001d4d2 math \U00010400 deseret",
    # punctuation
    "...!!!???---", "\u2014 dash \u2013 \u2018single\u2019 \u201cdouble\u201d \u2026", "\u00bfQu\u00e9? \u00a1S\u00ed! \u00abguillemets\u00bb", "a-b a--b -a- a,b,,c", "(([[{{<<>>}}]]))",
    # lengths
    "x" * 99 + " " + "x" * 101, "a" * 50 + "\u4f60" + "b" * 60, "supercalifragilisticexpialidocious antidisestablishmentarianism", "word " * 30,
    # added and special tokens
    "[CLS] typed [SEP] in text [MASK] [PAD] [UNK]", "<s> typed </s> in text <mask> <pad> <unk>", "a[MASK]b a<mask>b  <mask>  x", "[mask] <MASK> [[MASK]] <<mask>>", "New token NEW new", "newest new news renew new",
    "  spaced token  and token", "<x> <x>y z<x> <x><x>", "hello world", "Hello  World", "caf\u00e9s CAF\u00c9 \u00c9TUDE", "<extra_id_0> fills <extra_id_1>. <|endoftext|> </s>",
    # the marks of the formats themselves
    "a \u2581 b \u2581\u2581c \u2581d", "\u0120 \u010a \u0100", "##ing ing ## a##b", "a</w> b@@ c| |d||e", "<0x41> <0x0A> byte", "\u00e9\u00ff\u00fe \u2028",
]
PAIRS = [(3, 4), (4, 3), (0, 3), (3, 0), (0, 0), (26, 27), (16, 25), (86, 90), (8, 8), (100, 7), (18, 17)]
LENGTHS = [4, 5, 8, 13]

CHINESE = [
    "\u4eca\u5929\u5929\u6c14\u975e\u5e38\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u8d70\u8d70\u3002", "\u4ed6\u5728\u56fe\u4e66\u9986\u770b\u4e86\u4e00\u5929\u7684\u4e66\u3002", "\u6570\u636e\u5e93\u91cc\u7684\u6570\u636e\u5f88\u591a\uff0c\u67e5\u8be2\u4e5f\u5f88\u5feb\u3002",
    "\u8fd9\u4e2a\u95ee\u9898\u6211\u4e0d\u77e5\u9053\u600e\u4e48\u56de\u7b54\u3002", "\u5317\u4eac\u548c\u4e0a\u6d77\u90fd\u662f\u5927\u57ce\u5e02\u3002", "\u5b66\u4e60\u8bed\u8a00\u9700\u8981\u65f6\u95f4\u548c\u8010\u5fc3\u3002", "\u4f60\u597d\u4e16\u754c\uff01\u8fd9\u662f\u4e00\u4e2a\u6d4b\u8bd5\u3002",
    "\u7814\u7a76\u751f\u5728\u5927\u5b66\u7814\u7a76\u8ba1\u7b97\u673a\u79d1\u5b66\u3002", "\u957f\u6c5f\u5927\u6865\u5f88\u957f\uff0c\u4e5f\u5f88\u6f02\u4eae\u3002", "\u6211\u5df2\u7ecf\u5728\u8fd9\u91cc\u4f4f\u4e86\u4e09\u5e74\u3002", "\u660e\u5929\u4f1a\u4e0b\u96e8\u5417\uff1f\u4e0d\u4f1a\u3002",
    "\u597d\u7684\uff0c\u90a3\u5c31\u8fd9\u6837\u5427\u3002", "\u751f\u547d\u7684\u8d77\u6e90\u662f\u4ec0\u4e48\uff1f", "\u5357\u4eac\u5e02\u957f\u4eca\u5929\u6765\u4e86\u3002", "\u4e2d\u6587\u548c\u82f1\u6587\u6df7\u5408\u5728\u4e00\u8d77\u3002",
]
CODE = ["def add(a, b):\n    return a + b", "SELECT name, count(*) FROM t GROUP BY name;", "for (int i = 0; i < n; i++) sum += a[i];",
        "if x == 10: print('x is', x)", "https://www.example.org/index.html", "2024-03-05 12:30:45 100% $3.50"]


def corpus(n=700):
    """Lines to train on: English, and a little Chinese and code."""
    with open(SENTENCES, encoding="utf-8") as file:
        lines = [next(file).rstrip("\n") for _ in range(n)]
    return lines + CHINESE * 3 + CODE * 3
