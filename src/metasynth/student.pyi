from student import *
