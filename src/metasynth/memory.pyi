from memory import *
