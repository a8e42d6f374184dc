from softsrv import *
