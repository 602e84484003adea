exists a 1 0 
exists none 0 1 
type a 1 0 
ttl none 0 1 
object encoding a 1 0 
object freq none 0 1 
touch a none 1 1 
dump a 1 0 
dump none 0 1 
memory usage a 0 0 
expiretime a 1 0 
unlink none 0 0 
del none 0 0 
expire none 10 0 0 
persist none 0 0 
copy none b 0 1 
rename none b 0 0 
randomkey 0 0 
getset a b 1 0 
setnx a b 0 0 
xadd none nomkstream * a b 0 0 
append a b 0 0 
strlen none 0 1 
lpushx none a 0 0 
set a b get 1 0 
getex none 0 1 
getdel none 0 1 
llen none 0 1 
xlen none 0 1 
xinfo stream none 0 1 
xack none g 1-1 0 1 
watch none 0 0 
restore a 0 x 0 0 
move none 1 0 0 
